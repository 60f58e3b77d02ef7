"""One reader of images: what a file is, its pixels, its errors."""
