"""Caption metrics of coco-caption, corpus and per picture, equal to pycocoevalcap's. Needs no torch."""
