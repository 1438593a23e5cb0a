"""Trains the classifier on Fisher's iris data, and writes model.joblib beside this file."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
# Train with the packages that the function will run with.
sys.path.insert(0, str(HERE / "python"))

import joblib  # noqa: E402
from sklearn.datasets import load_iris  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

iris = load_iris()
x_train, x_test, y_train, y_test = train_test_split(
    iris.data, iris.target, test_size=0.2, random_state=7, stratify=iris.target
)
model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
model.fit(x_train, y_train)
print("accuracy on %d unseen flowers: %.2f" % (len(y_test), model.score(x_test, y_test)))
joblib.dump({"model": model, "species": [str(name) for name in iris.target_names]}, HERE / "model.joblib")
