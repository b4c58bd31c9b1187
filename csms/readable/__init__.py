"""What people read, in English, French and German: numbers, sentences and pages of comparisons."""
