-- Does nothing, and finds nothing: an answer other than that of a list that is empty now.
return {ok = 'NOTHING'}
