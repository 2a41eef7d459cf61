"""Writes the `.pkl.gz` in this folder: authentic pickles of Python 2.7 with chumpy, as SMPL's own files are.

    python2.7 -m pip install --target site numpy==1.16.6 scipy==1.2.3 chumpy==0.69
    PYTHONPATH=site python2.7 make_python2_pickles.py

They are compressed because most of a body is zeros here; the tests unpack them.
"""

import gzip
import os

import chumpy
import cPickle
import made_bodies
import numpy as np
import scipy.sparse

FOLDER = os.path.dirname(os.path.abspath(__file__))


def smpl():
    """A body as SMPL's files keep it: wrapped, sliced and transposed by chumpy, with sparse regressors and much that nobody needs."""
    arrays = made_bodies.body("smpl")
    template = chumpy.Ch(arrays["v_template"])
    regressor = scipy.sparse.csc_matrix(arrays["J_regressor"])
    more_shapes = np.concatenate([arrays["shapedirs"], arrays["shapedirs"][..., :3]], axis=2)
    arrays.update(
        shapedirs=chumpy.Ch(more_shapes)[:, :, :10],
        weights=chumpy.Ch(np.ascontiguousarray(arrays["weights"].T)).T,
        posedirs=np.asfortranarray(arrays["posedirs"]),
        J_regressor=regressor,
        J_regressor_prior=regressor,
        J=chumpy.Ch(regressor.toarray()).dot(template),
        reshaped=template.reshape(3, -1),
        v_template=template,
        csr=scipy.sparse.csr_matrix(regressor),
        coo=scipy.sparse.coo_matrix(regressor),
        bs_type="lrotmin",
        bs_style="lbs".decode("ascii"),
        vert_sym_idxs=np.arange(made_bodies.N_VERTICES)[::-1],
        pose_training_info={"regularizer": np.float64(0.5), "subjects": [1, 2.5, True, None, 2**40], b"k\xe4y".decode("latin1"): (1,)},
    )
    return arrays


def smplh():
    """A body with the hands of MANO, as `smplx`'s script merges them."""
    arrays = made_bodies.body("smplh")
    arrays.update(made_bodies.hands())
    arrays["J_regressor"] = scipy.sparse.csc_matrix(arrays["J_regressor"])
    return arrays


def write(name, value, protocol):
    """Writes a pickle, compressed, without name and time."""
    with open(os.path.join(FOLDER, name + ".pkl.gz"), "wb") as file, gzip.GzipFile("", "wb", 9, file, 0) as packed:
        packed.write(cPickle.dumps(value, protocol))


for protocol in (0, 1, 2):
    write("smpl_protocol" + str(protocol), smpl(), protocol)
write("smplh", smplh(), 2)
write("mano", made_bodies.mano(), 2)
write("gmm_02", made_bodies.mixture(), 2)
