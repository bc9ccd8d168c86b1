"""What a challenge wants to be handed in: described, encoded, packed, checked and verified."""
