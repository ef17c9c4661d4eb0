"""Classify a folder with timm: its model, its transform, a loader with two workers.

python timm_classify.py MODEL SIDE_PX FOLDER
"""

import sys

import timm
import torch
from timm.data import ImageDataset, create_transform
from torch.utils.data import DataLoader

model = timm.create_model(sys.argv[1], num_classes=4).eval()
data = ImageDataset(sys.argv[3], transform=create_transform((3, int(sys.argv[2]), int(sys.argv[2]))))
with torch.inference_mode():
    place = 0
    for images, _ in DataLoader(data, batch_size=64, num_workers=2):
        for label in model(images).argmax(1).tolist():
            print(data.filename(place), label)
            place += 1
