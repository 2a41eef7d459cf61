"""Trains the pose prior from motion capture: `python -m tools.build_pose_prior --amc FOLDER | --poses NPZ --out NPZ`.

`asf_amc` reads Acclaim files, `retarget` brings their rotations to SMPL, `poses` cleans, thins and splits the poses,
`mixture` trains a mixture of Gaussians and packs it. F are frames, N poses; axis-angle values in radians.
"""
