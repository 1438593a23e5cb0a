import os

SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
# The trigger's address differs with the region and the account; FC itself checks who it is for.
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "poll.urls"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
INSTALLED_APPS = ["poll"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
TIME_ZONE = "UTC"
USE_TZ = True
