"""Who is who: numbers, ids of other systems, ids that mean the same person, and ids that are erased."""
