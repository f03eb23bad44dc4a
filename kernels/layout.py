"""The tables by which `bnn_ref/fast/compiled.py` tells the kernels where things are and what to do.

Kernels take flat arrays: the parameters as one vector, every buffer as a place in another, `work`.
So one compiled version serves every network, and a call has few arguments. The names here are
columns of those tables; -1 stands for a place that does not exist.
"""

# layers[k]: int64, sizes and kinds, places in the flat parameters (and gradients, and moments) ...
(
    INPUTS,
    OUTPUTS,
    ACTIVATION,
    BIAS,
    KERNEL_MU,  # (I, O)
    KERNEL_RHO,  # (I, O)
    BIAS_MU,  # (O,)
    BIAS_RHO,  # (O,)
    # ... and places in work: what the sample sweep leaves for the others,
    KERNEL_DELTA,  # (I, O) sigma * eps; on the way in, eps
    KERNEL_FACTOR,  # (I, O) d delta / d rho = eps * sigmoid(rho)
    KERNEL_PULL,  # (I, O) d KL / d rho
    BIAS_DELTA,  # (O,)
    BIAS_FACTOR,  # (O,)
    BIAS_PULL,  # (O,)
    BIAS_SHIFT,  # (O,) what is added to every example's pre-activation
    BIAS_FLIP,  # (O,) what is added times the example's output signs
    # what belongs to examples, rows first,
    SIGN_INPUT,  # (B, I)
    SIGN_OUTPUT,  # (B, O)
    SOURCE,  # (B, I) h, the layer's inputs; of layer 0 in x itself
    FLIPPED,  # (B, I) h * sign_input
    OUTPUT,  # (B, O) the layer's outputs, the next layer's SOURCE
    SLOPE,  # (B, O) derivative of the activation
    GRAD,  # (B, O) gradient of the nll by the pre-activations
    GRAD_FLIPPED,  # (B, O) that times sign_output
    # and, transposed, what the gradient by the layer's inputs needs
    GRAD_ACROSS,  # (O, capacity)
    GRAD_FLIPPED_ACROSS,  # (O, capacity)
    LAYER_COLUMNS,
) = range(27)

# numbers[k]: float64
SCALE_SHIFT, PRIOR_LOC, PRIOR_SCALE, BIAS_PRIOR_LOC, BIAS_PRIOR_SCALE = range(5)

BIAS_NONE, BIAS_DETERMINISTIC, BIAS_NORMAL, BIAS_NORMAL_FLIPPED = range(4)
LINEAR, RELU, TANH, SIGMOID, SOFTPLUS, ELU, GELU = range(7)
CATEGORICAL, BERNOULLI, NORMAL = range(3)

# whole: int64, one run's settings
(
    ROWS,  # B of this run
    CAPACITY,  # rows that the buffers hold
    SEED_LOW,
    SEED_HIGH,
    STEP,
    DRAW,
    PURPOSE,
    FIRST_ROW,  # the place of row 0 in its batch or table
    EPS,  # where normals come from: GIVEN or DRAWN
    SIGNS,  # where signs come from: GIVEN, DRAWN or ONES
    KIND,  # of a prediction's draw, or TRAINING
    LIKELIHOOD,
    SCALE_RHO,  # place in the flat parameters
    MODE,  # what becomes of gradients: SET, ADD or ADAM
    TARGETS,  # places in work: (B, O) numbers,
    WEIGHT,  # (B,),
    GRAD_X,  # (B, I) and (B, I)
    GRAD_X_FLIPPED,
    WHOLE_COLUMNS,
) = range(19)
GIVEN, DRAWN, ONES = range(3)
TRAINING, WEIGHTS, FLIPOUT, MEAN = range(4)
SET, ADD, ADAM = range(3)

# real: float64, one run's settings
(
    KL_WEIGHT,
    SHARE,  # 1 / (B S): what one example of one draw counts in a gradient
    RATE,  # of Adam: p -= RATE * m / (sqrt(v) * SCALE + EPSILON)
    SCALE,
    BETA_1,
    BETA_2,
    EPSILON,
    NOISE_SCALE,  # of the Normal likelihood, where it is not learned
    REAL_COLUMNS,
) = range(9)

# tasks[j]: int64
TASK, LAYER, BEGIN, END, FROM, TO, AFTER, TASK_COLUMNS = range(8)
(
    SAMPLE,  # weights BEGIN..END of a layer's kernel
    SAMPLE_BIAS,  # a layer's bias
    FLIP,  # rows BEGIN..END: every layer's signs, and x * sign_input
    FORWARD,  # rows BEGIN..END, outputs FROM..TO of a layer
    LOSS,  # rows BEGIN..END
    BACKWARD,  # rows BEGIN..END, inputs FROM..TO of a layer
    JUDGE,  # add up the parts, and say whether every gradient is sure to be finite
    UPDATE,  # inputs BEGIN..END of a layer's kernel
    UPDATE_BIAS,  # a layer's bias
    UPDATE_SCALE,  # the learned scale of the Normal likelihood
    STEP_FLAT,  # entries BEGIN..END of the flat parameters, from gradients that are there
    PREDICT,  # rows BEGIN..END, forward only
) = range(12)

# parts[j]: float64, what task j adds to sums; a row is a cache line
PART_KL, PART_PULL, PART_NLL, PART_INPUT, PART_GRAD, PART_COLUMNS = 0, 1, 2, 3, 4, 8

# results: float64; one entry a layer follows
RESULT_NLL, RESULT_KL, RESULT_LOSS, RESULT_LAYERS = range(4)

# control: int64, one cache line each: how many tasks are done, and the judge's word; then, for each
# phase (tasks of one AFTER), how many were asked for, taken from the front, and from the back
DONE, SAFE, CONTROL_COLUMNS = 0, 8, 16
ASKED, FRONT, BACK, PHASE_COLUMNS = 0, 8, 16, 24
