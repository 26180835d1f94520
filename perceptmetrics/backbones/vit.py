"""One vision transformer for every family, so that an ablation changes weights and nothing else.

Names and shapes of parameters are those of timm's ``VisionTransformer``, plus CLIP's
``projection.weight``. q, k and v are one fused matrix, where LoRA goes on. Three things differ
from the textbook, for speed, and change no result beyond rounding: the last block computes only
the row that the class-token pool reads, and no keys and values for it; quick_gelu is a SiLU whose
constant rides on the GEMMs; the patch embedding is a GEMM.

Matrices may be in half precision where all else is float32 (``precision="fast"``): what goes into
a matrix is brought to its dtype, and residuals and norms stay as wide as the norms are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from perceptmetrics.backbones.base import Backbone
from perceptmetrics.errors import ImageError

QUICK_GELU_SLOPE = 1.702  # quick_gelu(x) = x * sigmoid(1.702 x), of OpenAI's CLIP code


class Attention(nn.Module):
    """Multi-head self-attention with one fused qkv matrix."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, queries: int | None = None) -> Tensor:
        """(N, L, D) -> (N, queries or L, D); only the first ``queries`` rows ask."""
        if queries == 1 and not (self.training or torch.is_grad_enabled()):
            return self.first_row(x)
        query, key, value = self.split(x)
        return self.join(F.scaled_dot_product_attention(query[:, :, :queries], key, value))

    def first_row(self, x: Tensor) -> Tensor:
        """What the first token hears: (N, L, D) -> (N, 1, D), in eval mode.

        One query needs no keys and values of all tokens: q . (K x) = (q K) . x, and weights that
        sum to one go through V after they are applied. The keys' bias adds the same to every
        score. It is nearly all that the last block costs. At least in float32, as attention is
        inside torch's own kernels.
        """
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        to_query, to_key, to_value = (
            self.qkv.weight.to(x.dtype).unflatten(0, (3, self.heads, -1)).unbind(0)
        )
        query_bias, _, value_bias = (
            self.qkv.bias.to(x.dtype).unflatten(0, (3, self.heads, -1)).unbind(0)
        )
        query = torch.einsum("nc,hdc->nhd", x[:, 0], to_query) + query_bias
        asked = torch.einsum("nhd,hdc->nhc", query * query.shape[-1] ** -0.5, to_key)
        heard = (asked @ x.transpose(1, 2)).softmax(-1) @ x
        mixed = torch.einsum("nhc,hdc->nhd", heard, to_value) + value_bias
        return self.join(mixed[:, :, None])

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, L, D) -> queries, keys and values, each (N, heads, L, D / heads)."""
        batch, length, width = x.shape
        qkv = self.qkv(x.to(self.qkv.bias.dtype))
        parts = qkv.view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        return query, key, value

    def join(self, mixed: Tensor) -> Tensor:
        """What each head says, (N, heads, L, D / heads), through one matrix -> (N, L, D)."""
        together = mixed.transpose(1, 2).flatten(2)
        return self.proj(together.to(self.proj.bias.dtype))  # type: ignore[no-any-return]


class MLP(nn.Module):
    """Two linear layers with the family's activation between."""

    def __init__(self, width: int, hidden: int, activation: str) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        x = x.to(self.fc1.weight.dtype)
        if self.activation == "quick_gelu":
            # quick_gelu(h) = silu(c h) / c: both constants are free factors of the two GEMMs,
            # where x * sigmoid(c x) would read and write the widest tensor three times.
            rows = x.flatten(0, -2)
            c = QUICK_GELU_SLOPE
            hidden = torch.addmm(self.fc1.bias, rows, self.fc1.weight.t(), beta=c, alpha=c)
            hidden = F.silu(hidden, inplace=not hidden.requires_grad)
            out = torch.addmm(self.fc2.bias, hidden, self.fc2.weight.t(), alpha=1 / c)
            return out.view(*x.shape[:-1], -1)
        approximate = "tanh" if self.activation == "gelu_tanh" else "none"
        return self.fc2(F.gelu(self.fc1(x), approximate=approximate))  # type: ignore[no-any-return]


class LayerScale(nn.Module):
    """A learned factor for each channel of a residual branch (DINOv2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        return x * self.gamma


class Block(nn.Module):
    """LayerNorm, attention, LayerNorm, MLP, each with a residual."""

    def __init__(self, spec: Backbone) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(spec.width, eps=spec.norm_eps)
        self.attn = Attention(spec.width, spec.heads)
        self.norm2 = nn.LayerNorm(spec.width, eps=spec.norm_eps)
        self.mlp = MLP(spec.width, spec.hidden_width, spec.activation)
        self.ls1 = LayerScale(spec.width) if spec.layer_scale else nn.Identity()
        self.ls2 = LayerScale(spec.width) if spec.layer_scale else nn.Identity()

    def forward(self, x: Tensor, rows: int | None = None) -> Tensor:
        """(N, L, D) -> (N, rows or L, D); later rows are not computed."""
        return self.add_mlp(x[:, :rows] + self.ls1(self.attn(self.norm1(x), rows)))

    def add_mlp(self, x: Tensor) -> Tensor:
        """The second half of the block: (N, L, D) -> (N, L, D)."""
        return x + self.ls2(self.mlp(self.norm2(x)))  # type: ignore[no-any-return]


class AttentionPool(nn.Module):
    """SigLIP's pooling head: one learned query attends to all tokens, then a residual MLP.

    Names are those of timm's ``AttentionPoolLatent``.
    """

    def __init__(self, spec: Backbone) -> None:
        super().__init__()
        self.heads = spec.heads
        self.latent = nn.Parameter(torch.zeros(1, 1, spec.width))
        self.q = nn.Linear(spec.width, spec.width)
        self.kv = nn.Linear(spec.width, 2 * spec.width)
        self.proj = nn.Linear(spec.width, spec.width)
        self.norm = nn.LayerNorm(spec.width, eps=spec.norm_eps)
        self.mlp = MLP(spec.width, spec.hidden_width, spec.activation)

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, D) -> (N, D)."""
        return self.join(F.scaled_dot_product_attention(*self.split(x)))

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, L, D) -> the query (N, heads, 1, D / heads), keys and values (N, heads, L, ...)."""
        batch, length, width = x.shape
        shape = (batch, -1, self.heads, width // self.heads)
        query = self.q(self.latent.expand(batch, -1, -1)).view(shape).transpose(1, 2)
        key, value = self.kv(x).view(batch, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        return query, key, value

    def join(self, mixed: Tensor) -> Tensor:
        """What each head says, (N, heads, 1, D / heads) -> (N, D)."""
        pooled = self.proj(mixed.transpose(1, 2).flatten(2))
        return (pooled + self.mlp(self.norm(pooled)))[:, 0]  # type: ignore[no-any-return]


class PatchEmbed(nn.Module):
    """Patches to tokens: a convolution whose stride is its kernel, and so one matrix product."""

    def __init__(self, spec: Backbone) -> None:
        super().__init__()
        size = spec.patch_size
        self.proj = nn.Conv2d(3, spec.width, size, stride=size, bias=spec.patch_bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, H // patch, W // patch, D)."""
        size, weight = self.proj.kernel_size[0], self.proj.weight
        rows, columns = (side // size for side in x.shape[-2:])
        cut = x[..., : rows * size, : columns * size].to(weight.dtype)
        parts = cut.unflatten(3, (columns, size)).unflatten(2, (rows, size))
        patches = parts.permute(0, 2, 4, 1, 3, 5).flatten(3)
        return F.linear(patches, weight.flatten(1), self.proj.bias)


class VisionTransformer(nn.Module):
    """The encoder that a :class:`~perceptmetrics.backbones.Backbone` describes.

    Parameters are not initialised for training: weights are loaded into it, or
    :func:`random_encoder` draws them.

    Attributes:
        recompute: In training, keep only each block's input and compute the rest again for the
            gradient (gradient checkpointing): less memory, about a third more time.

    Example:
        >>> import torch
        >>> from perceptmetrics.backbones import Backbone
        >>> spec = Backbone("tiny", "tiny", 16, 2, 2, 8, 32, (0.5,) * 3, (0.5,) * 3, (), "none")
        >>> VisionTransformer(spec)(torch.zeros(1, 3, 40, 24)).shape
        torch.Size([1, 16])
    """

    def __init__(self, spec: Backbone) -> None:
        super().__init__()
        self.spec = spec
        self.recompute = False
        positions = spec.grid_size**2 + (spec.class_token and spec.class_position)
        self.patch_embed = PatchEmbed(spec)
        self.pos_embed = nn.Parameter(torch.zeros(1, positions, spec.width))
        if spec.class_token:
            self.cls_token = nn.Parameter(torch.zeros(1, 1, spec.width))
        if spec.registers:
            self.reg_token = nn.Parameter(torch.zeros(1, spec.registers, spec.width))
        eps = spec.norm_eps
        self.norm_pre = nn.LayerNorm(spec.width, eps=eps) if spec.pre_norm else nn.Identity()
        self.blocks = nn.ModuleList(Block(spec) for _ in range(spec.depth))
        self.norm = nn.LayerNorm(spec.width, eps=eps)
        if spec.pool == "attention":
            self.attn_pool = AttentionPool(spec)
        if spec.projection:
            self.projection = nn.Linear(spec.width, spec.projection, bias=False)

    def embed(self, pixels: Tensor) -> Tensor:
        """Normalised pixels to the first block's input.

        Args:
            pixels: (N, 3, H, W) floats, normalised by the spec's mean and std. A rest that does
                not fill a patch at the right or the bottom is not seen.

        Returns:
            (N, L, D), with class token and registers first.

        Raises:
            ImageError: An image is smaller than one patch.
        """
        spec = self.spec
        if min(pixels.shape[-2:]) < spec.patch_size:
            raise ImageError(
                f"image of {pixels.shape[-1]}x{pixels.shape[-2]} pixels",
                f"smaller than one {spec.patch_size}-pixel patch of {spec.name}; enlarge it",
            )
        patches = self.patch_embed(pixels)
        batch, rows, columns, _ = patches.shape
        class_position, grid = self._positions(rows, columns)
        tokens = patches.flatten(1, 2) + grid
        front = []
        if spec.class_token:
            front.append((self.cls_token + class_position).expand(batch, -1, -1))
        if spec.registers:
            front.append(self.reg_token.expand(batch, -1, -1))
        return self.norm_pre(torch.cat([*front, tokens], dim=1))  # type: ignore[no-any-return]

    def tokens(self, pixels: Tensor) -> Tensor:
        """All tokens after the last LayerNorm: (N, 3, H, W) -> (N, L, D)."""
        x = self.embed(pixels)
        for block in self.blocks:
            x = self._run(block, x)
        return self.norm(x)  # type: ignore[no-any-return]

    def forward(self, pixels: Tensor) -> Tensor:
        """The image's embedding.

        Args:
            pixels: (N, 3, H, W) floats, normalised.

        Returns:
            (N, spec.embedding_width).
        """
        if self.spec.pool == "attention":
            pooled = self.attn_pool(self.tokens(pixels))
        else:
            x = self.embed(pixels)
            for block in self.blocks[:-1]:
                x = self._run(block, x)
            pooled = self.norm(self.blocks[-1](x, rows=1)[:, 0])
        return self.project(pooled)

    def project(self, pooled: Tensor) -> Tensor:
        """The pooled token, through CLIP's projection where there is one: (N, D) -> (N, E)."""
        return self.projection(pooled) if self.spec.projection else pooled

    def _run(self, block: nn.Module, x: Tensor) -> Tensor:
        if self.recompute and self.training and torch.is_grad_enabled():
            return checkpoint(block, x, use_reentrant=False)  # type: ignore[no-any-return]
        return block(x)  # type: ignore[no-any-return]

    def positions(self, rows: int, columns: int) -> Tensor:
        """What :attr:`pos_embed` would be for a grid of that size: (1, positions, D)."""
        class_position, grid = self._positions(rows, columns)
        front = self.spec.class_token and self.spec.class_position
        return torch.cat([class_position, grid], dim=1) if front else grid

    def _positions(self, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        """Position rows of the class token (or zero) and of a grid of that size."""
        spec = self.spec
        table = self.pos_embed
        front = int(spec.class_token and spec.class_position)
        class_position = table[:, :front] if front else torch.zeros_like(table[:, :1])
        grid = table[:, front:]
        if (rows, columns) == (spec.grid_size, spec.grid_size):
            return class_position, grid
        square = grid.view(1, spec.grid_size, spec.grid_size, -1).permute(0, 3, 1, 2)
        # Tables are resized in float32 whatever the model's dtype, as the families' own code does.
        antialias = spec.interpolation == "bicubic_antialias"
        if spec.interpolation_offset:
            # Meta's DINOv2 passes a scale, not a size: (n + 0.1) / stored. It shifts where the
            # table is read, so the same must be done here.
            scale = tuple((n + spec.interpolation_offset) / spec.grid_size for n in (rows, columns))
            resized = F.interpolate(
                square.float(), scale_factor=scale, mode="bicubic", antialias=antialias
            )
        else:
            resized = F.interpolate(
                square.float(), size=(rows, columns), mode="bicubic", antialias=antialias
            )
        return class_position, resized.to(table.dtype).permute(0, 2, 3, 1).flatten(1, 2)


def random_encoder(spec: Backbone, seed: int = 0) -> VisionTransformer:
    """An encoder with random weights from a local generator: for tests and controls.

    Matrices are normal with deviation ``fan_in ** -0.5``, tables and tokens 0.02, LayerNorms the
    identity with a little noise (so that a swapped pair of them is noticed).
    """
    with torch.device("meta"):
        encoder = VisionTransformer(spec)
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, parameter in encoder.state_dict().items():
        noise = torch.randn(parameter.shape, generator=generator)
        if "norm" in name or "gamma" in name:
            state[name] = 0.02 * noise + (not name.endswith("bias"))
        elif noise.dim() in (2, 4):
            state[name] = noise * noise[0].numel() ** -0.5
        else:
            state[name] = 0.02 * noise
    encoder.load_state_dict(state, assign=True)
    return encoder.eval().requires_grad_(False)
