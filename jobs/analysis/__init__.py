"""What a message tells about itself: one column per analyser, made beside the segment."""
