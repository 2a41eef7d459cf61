"""Every difference between the Blender versions 4.2 to 5.2 that the package meets."""

from typing import Any

import bpy


def new_action(owner: bpy.types.ID, name: str) -> Any:
    """Gives a data-block a new action and hands back the holder of its curves (`.fcurves`, `.groups`).

    Until Blender 4.3 that is the action itself. Since 4.4 an action has slots, one for each data-block that it animates,
    and the curves of a slot lie in a channel bag. The slot is assigned by hand, because Blender assigns
    one by itself only where the names happen to agree.
    """
    action = bpy.data.actions.new(name)
    if not hasattr(action, "slots"):
        owner.animation_data_create().action = action
        return action
    action.layers.new("Layer").strips.new(type="KEYFRAME")
    return _new_slot(owner, action)


def join_action(owner: bpy.types.ID, leader: bpy.types.ID) -> Any:
    """Animates a data-block by the action of another one, so that both are moved, copied and exported together.

    Until Blender 4.3 an action can animate one data-block only, so the owner gets an action of its own.

    Returns:
        The holder of the curves of the owner, as `new_action` gives it.
    """
    action = leader.animation_data.action
    return _new_slot(owner, action) if hasattr(action, "slots") else new_action(owner, owner.name)


def curves_of(owner: bpy.types.ID) -> Any:
    """The animation curves of a data-block; empty where it is not animated."""
    animation = owner.animation_data
    if animation is None or animation.action is None:
        return ()
    action = animation.action
    if not hasattr(action, "slots"):
        return action.fcurves
    for layer in action.layers:
        for strip in layer.strips:
            bag = strip.channelbag(animation.action_slot)
            if bag is not None:
                return bag.fcurves
    return ()


def _new_slot(owner: bpy.types.ID, action: bpy.types.Action) -> Any:
    """The channel bag of a new slot of an action, which the owner gets."""
    slot = action.slots.new(owner.id_type, owner.name)
    animation = owner.animation_data_create()
    animation.action = action
    animation.action_slot = slot
    return action.layers[0].strips[0].channelbag(slot, ensure=True)


def node_tree_of(owner: bpy.types.Material | bpy.types.World) -> bpy.types.NodeTree:
    """The shader nodes of a material or a world: always there since Blender 5.0, switched on by hand before."""
    if owner.node_tree is None:
        owner.use_nodes = True
    return owner.node_tree
