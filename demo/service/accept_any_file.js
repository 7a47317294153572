const isImage = (file) => file.type.startsWith("image/");
const asImages = (files) => {
  const images = new DataTransfer();
  for (const file of files) images.items.add(isImage(file) ? file : new File([file], file.name, { type: "image/any" }));
  return images;
};
document.addEventListener("change", ({ target }) => {
  if (target.matches("#photo input[type=file]") && ![...target.files].every(isImage)) {
    target.files = asImages(target.files).files;
  }
}, true);
document.addEventListener("drop", (event) => {
  const files = [...(event.dataTransfer?.files ?? [])];
  if (!event.target.closest("#photo") || files.every(isImage)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const options = { bubbles: true, cancelable: true, dataTransfer: asImages(files) };
  event.target.dispatchEvent(new DragEvent("drop", options));
}, true);
