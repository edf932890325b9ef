"""The evaluation cache: what one run found, on disk. Writer and reader; imports neither torch nor textual."""
