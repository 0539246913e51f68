"""Train, evaluate and read back photo classifiers; knows nothing of the dashboard.

The environment is settled here because it must be before anything imports Keras: the backend (a user's `keras.json` may
name another one) and TensorFlow's log level (its start-up notes bury our own lines).
"""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
