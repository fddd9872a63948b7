"""What goes with the images: classes, labels, boxes, and the tables that fastconv carries."""
