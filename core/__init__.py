"""Records that travel, and what everything above stands on: data, models, the store, MLflow."""
