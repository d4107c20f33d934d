"""Where a run's numbers, settings and pictures go: TensorBoard, CSV, MLflow, W&B; one file each."""
