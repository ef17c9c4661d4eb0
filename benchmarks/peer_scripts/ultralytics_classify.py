"""Classify a folder with Ultralytics, as its guide shows: a model called with a folder, results as a stream.

python ultralytics_classify.py MODEL FOLDER        (MODEL: yolo11n-cls.yaml, or what --export wrote)
python ultralytics_classify.py MODEL --export onnx|openvino
"""

import sys

from ultralytics import YOLO

model = YOLO(sys.argv[1], task="classify")
if sys.argv[2] == "--export":
    print(model.export(format=sys.argv[3], imgsz=224))
else:
    for result in model(sys.argv[2], stream=True, imgsz=224, verbose=False):
        print(result.path, result.probs.top1)
