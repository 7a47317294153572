"""Every sentence that the page says, to people and to programs, in one place."""
