-- ARGV: whether the value that stood is returned, and that value if there was one. The answer to a conditional write whose condition did not hold.
return {0, ARGV[1] == '1' and ARGV[2] or false}
