"""The pages of the review desk: what a person sees in the browser.

No build step, no outside request, no inline script.
"""

from buffycoat.review.web.pages import router
from buffycoat.review.web.render import error_page

__all__ = ["error_page", "router"]
