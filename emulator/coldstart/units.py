"""How times and sizes are written."""

from __future__ import annotations


def ms(duration_ms: float) -> str:
    """Three digits that tell something: `0.42`, `7.3`, `312`, `12,400`."""
    if duration_ms >= 9.95:
        return f"{duration_ms:,.0f}"
    return f"{duration_ms:.1f}" if duration_ms >= 0.995 else f"{duration_ms:.2f}"


def mb(size: float) -> str:
    """Bytes as MB of 1024 × 1024 bytes, as FC counts code and memory: `0.03`, `4.2`, `210`."""
    size /= 1024 * 1024
    if size >= 9.95:
        return f"{size:,.0f}"
    return f"{size:.1f}" if size >= 0.995 else f"{size:.2f}"
