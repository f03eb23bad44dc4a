"""What a training objective is: the KL's weight, the temperature, the noise that a loss implies."""
