"""The ways to ask a model behind the port `LanguageModel`."""
