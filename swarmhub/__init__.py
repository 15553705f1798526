"""Pure layer: stack configuration to settings, settings to a plan, a plan to text. No Pulumi, no I/O."""
