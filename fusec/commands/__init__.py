"""The commands of the command line, one file each; `fusec.cli` gathers them."""
