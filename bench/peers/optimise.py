"""Optimises one model with one tool: python optimise.py TOOL INPUT OUTPUT. Each call is a process of its own, so that time and memory
are the tool's alone; imports are a part of them, as start-up is of ours."""

import sys


def onnxslim(source: str, target: str) -> None:
    import onnxslim as tool

    tool.slim(source, target)


def onnxsim(source: str, target: str) -> None:
    import onnx
    import onnxsim as tool

    model, ok = tool.simplify(source)
    if not ok:
        raise RuntimeError("onnxsim could not validate its own result")
    onnx.save(model, target)


def onnxoptimizer(source: str, target: str) -> None:
    import onnx
    import onnxoptimizer as tool

    onnx.save(tool.optimize(onnx.load(source), tool.get_fuse_and_elimination_passes()), target)


def onnxscript(source: str, target: str) -> None:
    import onnx
    import onnxscript.optimizer as optimizer
    import onnxscript.rewriter as rewriter

    model = optimizer.optimize(onnx.load(source))
    onnx.save(rewriter.rewrite(model), target)


def onnxruntime(level: str):
    def optimise(source: str, target: str) -> None:
        import onnxruntime as tool

        options = tool.SessionOptions()
        options.graph_optimization_level = getattr(tool.GraphOptimizationLevel, level)
        options.optimized_model_filepath = target
        tool.InferenceSession(source, options, providers=["CPUExecutionProvider"])

    return optimise


def transformers(source: str, target: str) -> None:
    from onnxruntime.transformers import optimizer as tool

    # Level 0: the levels above run a session first, which needs PyTorch. Heads and hidden size are found by the tool.
    tool.optimize_model(source, model_type="bert", opt_level=0).save_model_to_file(target)


TOOLS = {
    "onnxslim": onnxslim,
    "onnxsim": onnxsim,
    "onnxoptimizer": onnxoptimizer,
    "onnxscript": onnxscript,
    "ort-transformers": transformers,
    "ort-basic": onnxruntime("ORT_ENABLE_BASIC"),
    "ort-extended": onnxruntime("ORT_ENABLE_EXTENDED"),
}

if __name__ == "__main__":
    _, tool, source, target = sys.argv
    TOOLS[tool](source, target)
