"""What the router can do, in DAP's words: everything that debugpy can, and what only we do (pure)."""

from __future__ import annotations

CAPABILITIES = {
    "supportsConfigurationDoneRequest": True,
    "supportsConditionalBreakpoints": True,
    "supportsHitConditionalBreakpoints": True,
    "supportsLogPoints": True,
    "supportsFunctionBreakpoints": True,
    "supportsEvaluateForHovers": True,
    "supportsSetVariable": True,
    "supportsSetExpression": True,
    "supportsCompletionsRequest": True,
    "supportsExceptionInfoRequest": True,
    "supportsExceptionOptions": True,
    "supportsValueFormattingOptions": True,
    "supportsGotoTargetsRequest": True,
    "supportsStepInTargetsRequest": True,
    "supportsDelayedStackTraceLoading": True,
    "supportsClipboardContext": True,
    "supportsModulesRequest": True,
    # One instance goes on while the others stand.
    "supportsSingleThreadExecutionRequests": True,
    # New instances for every function.
    "supportsRestartRequest": True,
    "exceptionBreakpointFilters": [
        {"filter": "raised", "label": "Raised Exceptions", "default": False},
        {
            "filter": "uncaught",
            "label": "Uncaught Exceptions",
            "default": True,
            "description": "Also those of handlers and initializers, which the runtime catches.",
        },
        {"filter": "userUnhandled", "label": "User Uncaught Exceptions", "default": False},
    ],
}
