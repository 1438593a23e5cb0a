import logging
from collections import Counter

from django.http import JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

log = logging.getLogger(__name__)
CHOICES = ("noodles", "rice")
votes = Counter()


@require_GET
def index(request):
    return render(request, "index.html", {"results": [(choice, votes[choice]) for choice in CHOICES]})


@require_POST
def vote(request, choice):
    if choice not in CHOICES:
        return JsonResponse({"error": "no such choice"}, status=404)
    votes[choice] += 1
    log.warning("request %s votes for %s", request.headers["x-fc-request-id"], choice)
    return JsonResponse({"choice": choice, "votes": votes[choice]})
