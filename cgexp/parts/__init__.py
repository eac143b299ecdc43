"""What a part is: ranges and marks of its fields, its signature read from source text, and who may give one."""
