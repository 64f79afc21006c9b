-- Does nothing, and finds nothing.
return false
