"""Modules of the package `smplx` as body models. The package itself is never imported: who has such a module has imported it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ..data.bodies import JOINT_NAMES, KEYPOINT_CONVENTIONS, BodyData
from ..data.conventions import get_convention
from ..errors import BodyError
from .body_model import BodyModel

_TYPES = {"SMPL": "smpl", "SMPLH": "smplh", "SMPLX": "smplx"}


def is_smplx_module(module: nn.Module) -> bool:
    """Whether a module is a model of the package `smplx`, or is derived from one."""
    return bool(_classes(module))


def body_of_smplx(module: nn.Module) -> BodyModel:
    """A body model with the arrays and the settings of a module of `smplx`, which gives the same joints and vertices.

    The module is only read: its batch size, members and joint mapper do not matter, nor do its parameters' present values. Hands are
    given by as many components as the module uses, or by axis-angle; the forms with `Layer` in their name, which take rotation matrices
    of the fingers and add no mean to them, by axis-angle from the flat hand. Joints are computed first, without the mesh.

    Args:
        module: A `SMPL`, `SMPLH` or `SMPLX`, or one of their `Layer` forms.

    Raises:
        BodyError: A model of something else, or one that poses in a way of its own.
    """
    own = _classes(module)[0]
    model_type = _TYPES.get(own.__name__.removesuffix("Layer"))
    if model_type is None:
        raise BodyError(f"The smplx module is a {own.__name__}, which is no whole body.", "Give a SMPL, SMPLH or SMPLX.")
    if type(module).forward is not own.forward:
        raise BodyError(
            f"{type(module).__name__} poses {own.__name__} of smplx in a way of its own (it has a `forward`).",
            f"Give the {own.__name__} that it is made from, or give it the members of fitting.body.Body.",
        )
    is_layer = own.__name__.endswith("Layer")
    uses_components = not is_layer and getattr(module, "use_pca", False)
    return BodyModel(
        _data_of(module, model_type, type(module).__name__, uses_components),
        n_hand_components=len(module.left_hand_components) if uses_components else None,  # type: ignore[arg-type]
        flat_hand_mean=is_layer,  # otherwise the means are zero already, where flat hands were asked for
        face_contour=getattr(module, "use_face_contour", False),
    )


def _classes(module: nn.Module) -> list[type[Any]]:
    """The classes of a module that are the package's own; the nearest first."""
    return [cls for cls in type(module).__mro__ if "smplx" in cls.__module__.split(".") and cls.__module__.endswith("body_models")]


def _data_of(module: Any, model_type: str, name: str, uses_components: bool) -> BodyData:
    faces, names = _array(module.faces_tensor).astype(np.int64), get_convention(KEYPOINT_CONVENTIONS[model_type]).names
    n_vertices, n_joints = module.v_template.shape[0], len(JOINT_NAMES[model_type])
    keypoint_vertices = _array(module.vertex_joint_selector.extra_joints_idxs).tolist()
    is_complete = len(keypoint_vertices) == len(get_convention("smpl_45")) - len(JOINT_NAMES["smpl"])
    face: dict[str, Any] = {}
    if model_type == "smplx":
        face["expression_dirs"] = _array(module.expr_dirs)
        face["landmark_vertices"], face["landmark_weights"] = faces[_array(module.lmk_faces_idx)], _array(module.lmk_bary_coords)
        if module.use_face_contour:
            face["contour_vertices"] = faces[_array(module.dynamic_lmk_faces_idx)]
            face["contour_weights"] = _array(module.dynamic_lmk_bary_coords)
    if model_type != "smpl":
        face["hand_mean"] = np.stack([_array(module.left_hand_mean), _array(module.right_hand_mean)])
        if uses_components:
            face["hand_components"] = np.stack([_array(module.left_hand_components), _array(module.right_hand_components)])
    return BodyData(
        model_type=model_type,
        gender=getattr(module, "gender", "neutral"),
        name=name,
        joint_names=JOINT_NAMES[model_type],
        parents=_array(module.parents).astype(np.int64),
        v_template=_array(module.v_template),
        shapedirs=_array(module.shapedirs),
        joint_regressor=_array(module.J_regressor),
        weights=_array(module.lbs_weights),
        faces=faces,
        posedirs=_array(module.posedirs).T.reshape(n_vertices, 3, -1),
        # A module that was built without hands or feet leaves out some: which, it does not say.
        keypoint_vertices=dict(zip(names[n_joints:], keypoint_vertices, strict=False)) if is_complete else {},
        convention=KEYPOINT_CONVENTIONS[model_type],
        **face,
    )


def _array(tensor: Any) -> NDArray[Any]:
    """A tensor as an array: float32, or whole numbers as they are."""
    array: NDArray[Any] = tensor.detach().cpu().numpy()
    return array.astype(np.float32, copy=False) if array.dtype.kind == "f" else array
