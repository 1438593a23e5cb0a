"""Trains the classifier on Fisher's iris data, and writes model.joblib beside this file."""

from pathlib import Path

import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

iris = load_iris()
x_train, x_test, y_train, y_test = train_test_split(
    iris.data, iris.target, test_size=0.2, random_state=7, stratify=iris.target
)
model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
model.fit(x_train, y_train)
print("accuracy on %d unseen flowers: %.2f" % (len(y_test), model.score(x_test, y_test)))
joblib.dump(
    {"model": model, "species": [str(name) for name in iris.target_names]}, Path(__file__).with_name("model.joblib")
)
