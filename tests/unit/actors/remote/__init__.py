"""actors/remote/"""
