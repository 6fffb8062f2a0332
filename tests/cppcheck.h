/* For cppcheck only, which does not read system headers: jansson's loops. */
#define json_object_foreach(object, key, value) for ((key) = "", (value) = (object); (value); (value) = 0)
#define json_array_foreach(array, index, value) for ((index) = 0, (value) = (array); (value); (index)++)
