"""What the terminal can do: the question that is put to it, the answers, and what follows from them."""
