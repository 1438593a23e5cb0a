from django.urls import path

from poll import views

urlpatterns = [
    path("", views.index),
    path("votes/<slug:choice>", views.vote),
]
