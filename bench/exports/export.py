"""Exports architectures of timm and transformers, small and with seeded random weights, by PyTorch's two exporters:

    python export.py FOLDER [NAME …]

Writes NAME-script.onnx (TorchScript, its batch open) and NAME-dynamo.onnx for each. What an exporter cannot write is said and left out."""

import contextlib
import io
import logging
import sys
import warnings
from pathlib import Path

import timm
import torch
import transformers

# One of each kind: plain, depthwise and mobile convolutions, inverted bottlenecks, parallel branches, TensorFlow's padding, standardised
# weights, global and windowed attention, attention over channels, talking heads, mixers of tokens.
IMAGE_MODELS = """resnet18 mobilenetv3_small_050 efficientnet_b0 tf_efficientnetv2_b0 convnext_atto convnextv2_atto regnetx_002 regnety_002
repvgg_a0 mobileone_s0 ghostnet_050 mobilevit_xxs mobilevitv2_050 edgenext_xx_small fastvit_t8 levit_128s poolformerv2_s12 efficientformer_l1
vit_tiny_patch16_224 deit_tiny_distilled_patch16_224 cait_xxs24_224 xcit_nano_12_p16_224 coat_lite_tiny pvt_v2_b0 eva02_tiny_patch14_224
mixer_s32_224 gmlp_ti16_224 resmlp_12_224 densenet121 res2net50_14w_8s ese_vovnet19b_dw tiny_vit_5m_224 rexnet_100 lcnet_050 mnasnet_small dla34
hrnet_w18_small skresnet18 cspresnet50 nfnet_l0 mobilenetv4_conv_small_035 mobilenetv4_hybrid_medium focalnet_tiny_srf davit_tiny
efficientvit_b0 efficientvit_m0 starnet_s1 repvit_m0_9 crossvit_tiny_240 swin_tiny_patch4_window7_224 swinv2_cr_tiny_ns_224 twins_svt_small
maxvit_rmlp_pico_rw_256 inception_next_atto semnasnet_075 seresnet33ts halonet26t lambda_resnet26t botnet26t_256 gcresnet33ts ecaresnet26t
resnetv2_18 volo_d1_224 visformer_tiny convit_tiny pit_ti_224 sequencer2d_s hgnet_tiny hgnetv2_b0 vit_small_patch16_rope_224 xception41
convmixer_768_32 mambaout_femto shvit_s1""".split()

SMALL = dict(vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)
GPT = dict(vocab_size=100, n_embd=32, n_layer=2, n_head=4)
GROUPED = dict(num_key_value_heads=2)
WIDE_HEADS = dict(num_key_value_heads=2, head_dim=8)

# Class, and what its configuration has beside SMALL.
TEXT_MODELS = {
    "AlbertModel": dict(embedding_size=16),
    "BertModel": {},
    "BloomModel": GPT,
    "CohereModel": GROUPED,
    "ConvBertModel": dict(embedding_size=32),
    "DebertaV2Model": dict(relative_attention=True, position_buckets=8, pos_att_type=["p2c", "c2p"]),
    "DistilBertModel": dict(dim=32, n_layers=2, n_heads=4, hidden_dim=64),
    "ElectraModel": dict(embedding_size=16),
    "FalconModel": {},
    "GemmaModel": dict(num_key_value_heads=1, head_dim=8),
    "Gemma3TextModel": WIDE_HEADS,
    "GPT2Model": GPT,
    "GPTJModel": {**GPT, "rotary_dim": 4},
    "GPTNeoXModel": {},
    "GraniteModel": GROUPED,
    "LlamaModel": GROUPED,
    "MambaModel": dict(state_size=8),
    "MistralModel": dict(num_key_value_heads=2, sliding_window=8),
    "ModernBertModel": dict(pad_token_id=0, local_attention=8),
    "MPNetModel": {},
    "OlmoModel": {},
    "OPTModel": dict(ffn_dim=64, word_embed_proj_dim=32),
    "Phi3Model": dict(num_key_value_heads=2, pad_token_id=0),
    "Qwen2Model": GROUPED,
    "Qwen3Model": WIDE_HEADS,
    "RobertaModel": {},
    "RoFormerModel": dict(embedding_size=32),
    "SmolLM3Model": dict(num_key_value_heads=2, pad_token_id=0),
    "SqueezeBertModel": dict(embedding_size=32),
}


class FirstOutput(torch.nn.Module):
    """A model of transformers as a function of ids and mask."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        cached = "use_cache" in self.model.config.to_dict()
        options = {"use_cache": False} if cached else {}
        return self.model(input_ids=input_ids, attention_mask=attention_mask, **options)[0]


def image_model(name: str) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    model = timm.create_model(name, pretrained=False, num_classes=10)
    # Batch norms that do nothing would hide a mistake in what is made of them.
    for module in model.modules():
        if getattr(module, "running_mean", None) is not None:
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    size = model.pretrained_cfg["input_size"][1]
    return model, {"x": torch.randn(2, 3, size, size)}


def text_model(name: str) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    configuration = getattr(transformers, name.removesuffix("Model") + "Config")
    model = getattr(transformers, name)(configuration(**{**SMALL, **TEXT_MODELS[name]}))
    inputs = {"input_ids": torch.randint(3, 100, (2, 16)), "attention_mask": torch.ones(2, 16, dtype=torch.long)}
    return FirstOutput(model), inputs


def export(model: torch.nn.Module, inputs: dict[str, torch.Tensor], target: Path, dynamo: bool) -> None:
    arguments = tuple(inputs.values())
    if dynamo:
        torch.onnx.export(model, arguments, target, input_names=list(inputs), dynamo=True, external_data=False)
    else:
        axes = {name: {0: "batch"} for name in inputs}
        torch.onnx.export(
            model, arguments, target, input_names=list(inputs), dynamic_axes=axes, opset_version=17, dynamo=False
        )


def main(folder: str, *names: str) -> None:
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    for name in names or [*TEXT_MODELS, *IMAGE_MODELS]:
        for kind in ["script", "dynamo"]:
            target = Path(folder, f"{name}-{kind}.onnx")
            torch.manual_seed(0)
            try:
                model, inputs = (text_model if name in TEXT_MODELS else image_model)(name)
                silent = contextlib.redirect_stdout(io.StringIO())
                with torch.no_grad(), silent, contextlib.redirect_stderr(io.StringIO()):
                    export(model.eval(), inputs, target, kind == "dynamo")
                print(target, flush=True)
            except Exception as error:  # noqa: BLE001: whatever an exporter throws is its limit, not ours.
                target.unlink(missing_ok=True)
                print(f"{target}: {type(error).__name__}: {str(error).splitlines()[0][:100]}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
