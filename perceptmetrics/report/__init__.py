"""Pages that people look at: what was measured, as one HTML file that needs nothing beside it.

Values in, text out. Templates and the style sheet lie in ``templates/``; charts are SVG inside the
page, in the page's own colours; photographs are small JPEGs inside it.
"""
