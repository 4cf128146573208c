"""Films: the frame loop, and what keeps still what stands still. Reading and writing is in `video`."""
