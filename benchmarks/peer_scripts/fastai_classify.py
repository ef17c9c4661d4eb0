"""Classify a folder with fastai, as its guide shows: a learner, a test loader, predictions.

python fastai_classify.py ARCHITECTURE FOLDER      (ARCHITECTURE: a name torchvision has, such as resnet18)
"""

import sys

import torchvision
from fastai.vision.all import ImageDataLoaders, Resize, get_image_files, vision_learner

files = get_image_files(sys.argv[2])
loaders = ImageDataLoaders.from_lists(
    sys.argv[2], [files[0]] * 8, list("abcd") * 2, item_tfms=Resize(224), bs=4, num_workers=0
)
learner = vision_learner(loaders, getattr(torchvision.models, sys.argv[1]), pretrained=False, n_out=4)
probabilities, _ = learner.get_preds(dl=learner.dls.test_dl(files, bs=64, num_workers=2))
for path, row in zip(files, probabilities, strict=True):
    print(path, int(row.argmax()))
