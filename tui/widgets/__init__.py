"""The panels of the browser, one a file. They show what they are given and report what was clicked; they read nothing."""
