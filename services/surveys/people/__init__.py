"""The ids that mean a person: merged ones are aliases, erased ones are remembered for ever."""
