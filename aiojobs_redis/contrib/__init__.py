"""What connects a queue with other packages; each module needs the extra of its name."""
