"""What other packages and books call the words of a flow."""

SYNONYMS = {
    "lasso": "l1", "l1_norm": "l1", "laplace": "l1", "norm1": "l1", "sparsity": "l1",
    "l2": "tikhonov", "l2_norm": "tikhonov", "l2_squared": "tikhonov", "norm2": "tikhonov", "ridge": "tikhonov",
    "sum_squares": "tikhonov", "weight_decay": "tikhonov",
    "enet": "elastic_net", "elasticnet": "elastic_net",
    "l21": "norm_l21", "group_lasso": "norm_l21", "group_sparsity": "norm_l21", "mixed_norm": "norm_l21",
    "total_variation": "tv", "tv_norm": "tv", "rof": "tv",
    "fused_lasso": "tv", "tgv": "tv2", "hessian": "tv2", "trend_filter": "tv2", "l1_trend": "tv2",
    "least_squares": "quadratic", "ls": "quadratic", "mse": "quadratic", "gaussian": "quadratic",
    "squared_error": "quadratic", "square_loss": "quadratic", "quad_form": "quadratic_form",
    "weighted_least_squares": "weighted", "wls": "weighted", "inpainting": "weighted",
    "kl": "kullback_leibler", "kl_div": "kullback_leibler", "kl_divergence": "kullback_leibler",
    "logistic_regression": "logistic", "log_loss": "logistic", "softmax": "cross_entropy",
    "svm": "hinge", "quantile": "pinball", "quantile_regression": "pinball", "tilted_l1": "pinball",
    "robust": "huber", "smooth_l1": "huber",
    "isotonic": "nonnegative", "monotone": "nonnegative", "nonneg": "nonnegative", "non_negative": "nonnegative",
    "positive": "nonnegative", "bounds": "box", "clip": "box", "interval": "box",
    "entropy": "negative_entropy", "entr": "negative_entropy", "neg_entropy": "negative_entropy",
    "rel_entr": "relative_entropy", "barrier": "log_barrier", "logdet": "log_det",
    "trace_norm": "nuclear", "nuclear_norm": "nuclear", "schatten": "nuclear", "lowrank": "low_rank",
    "matrix_factorization": "low_rank", "nmf": "low_rank",
    "psd": "semidefinite", "sdp": "semidefinite", "positive_semidefinite": "semidefinite",
    "l0": "cardinality", "l0_norm": "cardinality", "sparse": "cardinality", "probability_simplex": "simplex",
    "ball": "l2_ball", "equality": "affine", "linear_equality": "affine", "linear_constraint": "affine",
    "dot": "linear", "cost": "linear",
    "blur": "conv", "convolution": "conv", "convolve": "conv", "psf": "conv", "deconvolution": "conv",
    "grad": "gradient", "difference": "gradient", "diff": "gradient", "finite_difference": "gradient",
    "dense": "matrix", "matmul": "matrix", "sampling": "mask", "dwt": "wavelet", "wavelets": "wavelet",
    "fourier": "fft", "dft": "fft", "tomography": "radon", "projection": "radon", "xray": "radon",
    "graph": "incidence", "slice": "select", "index": "select", "subset": "select", "concat": "stack",
    "vstack": "stack", "eye": "identity", "chain": "compose", "product": "compose", "repeat": "broadcast",
}  # fmt: skip
"""An atom or an operator for each; of several words of one meaning the plainest."""
OF_DIFFERENCES = {"isotonic", "monotone"}
"""Those whose atom acts on the differences of a variable."""
