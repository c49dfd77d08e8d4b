"""The web app's door: thin HTTP over the use cases. A route parses, makes one call and answers; it decides nothing."""
