"""placeholder: written by the instruments helper"""
