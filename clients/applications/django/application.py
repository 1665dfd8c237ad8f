"""The smallest application with Django that has users and sessions. clients/recipes.py puts in what docs/auth.md says."""

import os

import django
import requests
from django.conf import settings
from django.contrib.auth import authenticate, login
from django.core.management import call_command
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "users.sqlite3"}},
    FANFARE_KEY=os.environ["FANFARE_KEY"],
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "django.middleware.csrf.CsrfViewMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of this run, and of no other, and of fifty characters or more",
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
)
django.setup()


def csrf(request):
    return HttpResponse(get_token(request))


@csrf_exempt
def log_in(request):
    from django.contrib.auth.models import User

    name, password = request.POST["user"], request.POST["password"]
    User.objects.create_user(name, password=password, id=int(name))
    login(request, authenticate(request, username=name, password=password))
    return HttpResponse(status=204)


# docs/auth.md: Tickets


urlpatterns = [path("csrf", csrf), path("login", log_in), path("live/ticket", ticket)]  # noqa: F821
call_command("migrate", verbosity=0)
call_command("runserver", f"127.0.0.1:{os.environ['PORT']}", use_reloader=False)
