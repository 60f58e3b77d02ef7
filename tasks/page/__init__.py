"""What the pages of validate and of report have in common: style, images, findings."""
