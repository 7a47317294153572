"""The endpoints for programs: what they are asked, checked and answered."""
