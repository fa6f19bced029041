"""What a check leaves to read: the document, the page, the charts."""
